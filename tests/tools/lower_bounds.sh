#!/usr/bin/env bash
# The tests of tests/ at the lower bounds of the requirements, in an environment of their own. Run by hand:
#   PYTHON=python3.10 tests/tools/lower_bounds.sh [pytest's arguments]
# On Linux PyPI's torch brings CUDA (gigabytes); this takes the small one where PyTorch's index can be reached:
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu tests/tools/lower_bounds.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
"${PYTHON:-python3.10}" -m venv "$temporary/venv"
source "$temporary/venv/bin/activate"
sed -n 's/>=/==/p' requirements.txt tests/requirements.txt >"$temporary/lowest.txt"
python -m pip install -q -c "$temporary/lowest.txt" -r requirements.txt -r tests/requirements.txt
python -m pip list | grep -i -f <(cut -d= -f1 "$temporary/lowest.txt")
pytest tests "$@"
