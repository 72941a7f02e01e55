"""Build the report of a study: the page, its tables, the methods paragraph and the checklist."""

from __future__ import annotations

from pathlib import Path

from ...errors import UserError
from ...storage.atomic_files import write_text
from ..decision import analyse
from ..score_rows import score_table
from .blocks import Numbers, Section
from .comparison_sections import forest_section, map_section, noise_section, patients_section, table_section
from .context import Context
from .methods import methods, methods_section
from .page import render
from .palette import loss_styles
from .record import StudyRecord
from .run_sections import examples_section, failures_section, learning_section, provenance_section

PAGE = "report.html"


def build_report(study: StudyRecord, out_dir: str | Path) -> Path:
    """Analyse the scores of a study and write its report.

    Beside ``report.html`` are written ``tables/`` (each table as CSV, LaTeX and Markdown), ``methods.txt``,
    ``methods.tex`` and ``methods.bib``. The same study gives the same bytes.

    Args:
        study: the scores and all else that is known of the study.
        out_dir: folder for the report; made when it is missing. Files of an earlier report are replaced.

    Returns:
        The path of the page.

    Raises:
        UserError: the scores can't be compared, a picture can't be read, or the folder can't be written.
    """
    table = score_table(study.scores, leaky=study.leaky)
    analysis = analyse(table, study.margin, study.reference, study.terms)
    context = Context(study, analysis, loss_styles(table.losses))
    sections = report_sections(context)
    page = render(context, sections)
    written = methods(context)
    folder = Path(out_dir)
    try:
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        for section in sections:
            for block in section.blocks:
                if isinstance(block, Numbers):
                    block.table.write(folder / "tables")
        for name, text in (
            ("methods.txt", written.text),
            ("methods.tex", written.latex),
            ("methods.bib", written.bibtex),
        ):
            write_text(folder / name, text)
        write_text(folder / PAGE, page)
    except OSError as error:
        raise UserError(f"the report can't be written to {folder}: {error.strerror}; choose another folder") from error
    return folder / PAGE


def report_sections(context: Context) -> list[Section]:
    """The sections in their order; those without anything to show are left out."""
    sections = [
        forest_section(context),
        map_section(context),
        table_section(context),
        patients_section(context),
        noise_section(context),
        learning_section(context),
        examples_section(context),
        failures_section(context),
        methods_section(context),
        provenance_section(context.study),
    ]
    return [section for section in sections if section is not None]
