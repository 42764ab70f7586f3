"""The live panels of the notebooks; where no widget shows, each is a picture."""

from ganlib.widgets.dirac import dirac
from ganlib.widgets.playground import playground
from ganlib.widgets.replay import replay
from ganlib.widgets.stepper import stepper
from ganlib.widgets.walk import walk

__all__ = ["dirac", "playground", "replay", "stepper", "walk"]
