"""Results for people: tables, Markdown, a page, the plot of accuracy against operations. Never imports torch."""

from edgenet.report.comparison import comparison_table
from edgenet.report.inspection import inspection_table
from edgenet.report.markdown import markdown
from edgenet.report.page import html, write_html
from edgenet.report.plot import plot
from edgenet.report.profile import profile_tables
from edgenet.report.table import table

__all__ = ["comparison_table", "html", "inspection_table", "markdown", "plot", "profile_tables", "table", "write_html"]
