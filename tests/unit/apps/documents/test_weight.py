"""Who serves documents does not carry what reads them."""

import subprocess
import sys

HEAVY = "bs4 docx lxml numpy openpyxl pptx pypdf".split()


def test_the_server_loads_no_library_that_reads_documents() -> None:
    program = (
        "import sys\n"
        "import secondbasket.app.documents, secondbasket.server.admin.documents\n"
        "import secondbasket.apps.tools.documents\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
