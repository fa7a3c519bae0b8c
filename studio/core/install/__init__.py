"""How launch.py makes an environment: the standard library only, readable by Python 3.8 but for `trial`."""
