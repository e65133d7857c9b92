"""PDFs as offices make them: flowing text with running headers, chapters with bookmarks, columns, scans."""

import io
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageBreak, PageTemplate, Paragraph

STYLES = getSampleStyleSheet()
PARCELS = (
    "Our parcels are packed on the day they are ordered and handed to the carrier before six in the evening, so that "
    "they reach most places of the country on the next working day."
)


class Bookmark(Flowable):  # type: ignore[misc]  # The library has no types.
    def __init__(self, title: str, level: int) -> None:
        super().__init__()
        self.title, self.level = title, level

    def draw(self) -> None:
        self.canv.bookmarkPage(self.title)
        self.canv.addOutlineEntry(self.title, self.title, self.level)


def flowing(story: list[Any], *, columns: int = 1, title: str | None = None, password: str | None = None) -> bytes:
    """With a header and a number on each page."""
    written = io.BytesIO()
    encryption = StandardEncryption(password, ownerPassword="owner") if password is not None else None
    document = BaseDocTemplate(written, pagesize=A4, title=title, encrypt=encryption)
    width = document.width / columns
    frames = [
        Frame(document.leftMargin + at * width, document.bottomMargin, width, document.height) for at in range(columns)
    ]

    def framed(canvas: Canvas, page: BaseDocTemplate) -> None:
        canvas.drawString(60, 810, "Handbook of the Harbour Shop")
        canvas.drawString(500, 20, f"Page {page.page}")

    document.addPageTemplates(PageTemplate(frames=frames, onPage=framed))
    document.build(story)
    return written.getvalue()


def chapters(count: int) -> list[Any]:
    story: list[Any] = []
    for number in range(1, count + 1):
        story += [
            Bookmark(f"Chapter {number}", 0),
            Paragraph(f"Chapter {number}", STYLES["Heading1"]),
            Paragraph(f"What chapter {number} is about. {PARCELS} That is all.", STYLES["Normal"]),
            Paragraph(f"A second paragraph of it. {PARCELS}", STYLES["Normal"]),
            Bookmark(f"Details of {number}", 1),
            Paragraph(f"{number}.1 Details of {number}", STYLES["Heading2"]),
            Paragraph(f"These are its details. {PARCELS}", STYLES["Normal"]),
            PageBreak(),
        ]
    return story


def lines(*written: str, font: str = "Helvetica") -> bytes:
    """One page of these lines, as they are."""
    file = io.BytesIO()
    canvas = Canvas(file)
    canvas.setFont(font, 12)
    for at, line in enumerate(written):
        canvas.drawString(60, 780 - 15 * at, line)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def scanned(pages: int) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for _ in range(pages):
        canvas.rect(50, 50, 400, 600, fill=1)
        canvas.showPage()
    canvas.save()
    return file.getvalue()
