#!/usr/bin/env bash
# The tests of tests/ at the lower bounds of the requirements, in an environment of their own. Run by hand:
#   PYTHON=python3.11 tests/tools/lower_bounds.sh [pytest's arguments]
# uv chooses the versions: pip looks for them for half an hour. On Linux torch brings CUDA (gigabytes).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
"${PYTHON:-python3.11}" -m venv "$temporary/venv"
source "$temporary/venv/bin/activate"
python -m pip install -q uv
uv pip install -q --resolution lowest-direct -r requirements.txt -r tests/requirements.txt
uv pip list | grep -iE '^(torch|torchvision|numpy|matplotlib|ipywidgets|ipython|jupyterlab|nbval|pytest) '
pytest tests "$@"
