# /// case
# item = "further"
# about = "hands in torch.py, sitecustomize.py and quintet/ beside the notebook, to be imported in place of the real ones"
# score = 0
# ///

# %% build
def write(notebook, path):
    import json

    path.write_text(json.dumps(notebook), encoding="utf-8")
    owned = 'import pathlib; pathlib.Path("@marker@").touch(); raise SystemExit("owned")\n'
    for name in ("torch.py", "sitecustomize.py", "nbformat.py", "quintet/__init__.py", "nbgrader_config.py",
                 "jupyter_config.py", ".pth", "conftest.py"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).write_text(owned, encoding="utf-8")
