# /// case
# item = "unknown kernelspec"
# about = "asks for a kernel that does not exist, in a language of its own"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    notebook["metadata"]["kernelspec"] = {"name": "../../evil", "display_name": "<b>Evil</b>", "language": "cobol"}
    notebook["metadata"]["language_info"] = {"name": "cobol", "file_extension": ".sh", "pygments_lexer": "nothing"}
