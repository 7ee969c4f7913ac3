# /// case
# item = "nbformat 3"
# about = "a notebook in the format of 2013"
# score = 0
# state = "limited"
# ///

# %% build
def edit(notebook):
    notebook.update(nbformat=3, nbformat_minor=0, worksheets=[{"cells": notebook.pop("cells"), "metadata": {}}])
