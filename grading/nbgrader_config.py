"""nbgrader's settings: stock `nbgrader …` run in this folder, formgrader's buttons and `quintet grade` all read this
file.

The gradebook is an SQLite file in course/; QUINTET_DB names another one, as in postgresql://user@host/quintet.
"""

import os
import sys
from pathlib import Path

from quintet_grading import stock

root = Path(__file__).resolve().parent.parent
course = Path(os.environ.get("QUINTET_COURSE", root / "course"))
course.mkdir(parents=True, exist_ok=True)
os.environ["PATH"] = (
    f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # a new gradebook runs `alembic` by name
)

c = get_config()  # noqa: F821 given by traitlets

c.CourseDirectory.root = str(root)
c.CourseDirectory.course_id = "quintet"
c.CourseDirectory.db_url = os.environ.get("QUINTET_DB", f"sqlite:///{course}/gradebook.db")
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
c.CourseDirectory.submitted_directory = str(course / "submitted")
c.CourseDirectory.autograded_directory = str(course / "autograded")
c.CourseDirectory.feedback_directory = str(course / "feedback")

# Generating labs from solutions.
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.IncludeHeaderFooter.header = ""

# Grading: `nbgrader autograde`, formgrader's button and `quintet grade` are one pipeline and write one gradebook.
stock.install()
c.HTMLExporter.filters = {"markdown2html": "quintet_grading.markup.markdown2html"}  # a student's text cells run nothing
c.ExportApp.plugin_class = "quintet_grading.export.StatesExporter"
