"""What CI asks of an installed wheel, without the checkout: every module, every file it reads, its licences.

python tests/tools/try_the_wheel.py        # in an environment where ganlib is installed, from any folder
"""

import importlib
import pkgutil
from importlib.metadata import distribution
from pathlib import Path

import ganlib
from ganlib import data, record, scores, training

assert not (Path(ganlib.__file__).parent.parent / "pyproject.toml").exists(), "this is the checkout"
for module in pkgutil.walk_packages(ganlib.__path__, "ganlib."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in data.KINDS:
    assert (len(data.load(name)), len(data.load(name, train=False))) == (60_000, 10_000)
    assert record.load(data.ASSETS / f"{name}.pt.xz").generator()
    assert scores.load_classifier(name).accuracy > 0.85
licences = {path.name for path in distribution("ganlib").files if "licenses" in path.parts}
assert licences == {"LICENSE", "README.md"}, licences
[epoch] = training.train(data.load("mnist", n=200), 1, device="cpu")
assert epoch.images.shape == (36, 1, 28, 28)
print(f"ganlib {distribution('ganlib').version}: whole without the checkout")
