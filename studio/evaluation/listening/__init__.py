"""Listening tests: a folder that one sends to friends, and what their answers come to.

`make` writes the page with its sounds, and a key that its maker keeps; `score` reads answers by that key.
What is asked of raters is in `kinds`, in which order in `order`, how far they agree in `agreement`.
"""
