"""The public face: what `import studio` gives a program of others, over the same pipeline as the page's."""
