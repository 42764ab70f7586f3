"""Helper package of the series: it holds only what a notebook has already taught."""
