#!/usr/bin/env bash
# Google Colab without Google: its versions, README's wheel beside them, the panels' tests and every notebook, reduced.
# Run by hand: PYTHON=python3.13 tests/tools/colab.sh
# Versions as googlecolab/backend-info lists them (pip-freeze.txt, 19 August 2026; Python 3.13).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
printf '%s\n' torch==2.11.0 torchvision==0.26.0 numpy==2.1.3 matplotlib==3.10.0 pillow==11.3.0 \
  ipywidgets==7.7.1 ipykernel==6.17.1 ipython==7.34.0 traitlets==5.7.1 jupyter_client==7.4.9 \
  jupyter_core==5.9.1 nbclient==0.10.4 nbformat==5.11.1 tornado==6.5.7 pyzmq==26.2.1 'setuptools<81' \
  >"$temporary/colab.txt"
"${PYTHON:-python3.13}" -m venv "$temporary/venv"
source "$temporary/venv/bin/activate"
# Colab has no JupyterLab; ipywidgets 7 asks for the old Notebook, which the tests don't need.
python -m pip install -q --no-deps ipywidgets==7.7.1 widgetsnbextension==3.6.10 jupyterlab_widgets==3.0.16 ipython-genutils
python -m pip install -q -c "$temporary/colab.txt" -r <(grep -v ipywidgets "$temporary/colab.txt")

echo "== README's wheel brings ganlib alone"
mkdir "$temporary/source"
cp -r ganlib pyproject.toml README.md LICENSE "$temporary/source"
python -m pip wheel -q --no-deps -w "$temporary/dist" "$temporary/source"
others() { python -m pip freeze --all | grep -v '^ganlib'; }
others >"$temporary/before.txt"
python -m pip install -q --no-deps "$temporary"/dist/ganlib-*.whl
others | diff "$temporary/before.txt" -

echo "== tests"
python -m pip install -q -c "$temporary/colab.txt" -r tests/requirements.txt
(cd "$temporary" && python -c 'import ganlib; assert "site-packages" in ganlib.__file__')
pytest -p no:cacheprovider tests/test_accessibility.py tests/test_panels.py tests/test_stepper.py notebooks
