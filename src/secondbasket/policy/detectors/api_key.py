"""Keys of well-known services by the shape their makers gave them, and our own."""

import re

from secondbasket.core.data_class import DataClass
from secondbasket.core.reading import Reading
from secondbasket.policy.detectors.effort import Effort

# A key is a long row of these; rows are found first, and few texts have any.
_ROW = bytes(
    0x41 if code < 128 and (chr(code).isalnum() or chr(code) in "_-") else 0x20
    for code in range(256)
)
_ROWS = re.compile(b"A" * 16 + b"A*")
_SHAPES = re.compile(
    rb"""
      sk-basket-[0-9a-z_]{10,60}\.[A-Za-z0-9_-]{20,60}           # Second Basket
    | sk-[A-Za-z0-9_-]{20,300}                                   # OpenAI, Anthropic and many others
    | (?: AKIA | ASIA ) [0-9A-Z]{16}                             # AWS
    | gh[pousr]_[A-Za-z0-9]{36,255} | github_pat_[A-Za-z0-9_]{22,255}
    | gl(?: pat | dt | rt | oas | ptt )-[A-Za-z0-9_-]{20,100}     # GitLab
    | xox[abeprs]-[A-Za-z0-9-]{16,250} | xapp-[A-Za-z0-9-]{16,250}  # Slack
    | AIza[0-9A-Za-z_-]{35} | GOCSPX-[0-9A-Za-z_-]{28}           # Google
    | (?: sk | rk )_(?: live | test )_[0-9A-Za-z]{16,250} | whsec_[A-Za-z0-9]{24,64}  # Stripe
    | hf_[A-Za-z0-9]{30,60}                                      # Hugging Face
    | (?: gsk | xai | pplx | r8 | nvapi | fw | csk )[_-][A-Za-z0-9_-]{30,200}  # model providers
    | npm_[A-Za-z0-9]{36} | pypi-[A-Za-z0-9_-]{50,300} | dckr_pat_[A-Za-z0-9_-]{20,60}
    | dop_v1_[0-9a-f]{64} | dapi[0-9a-f]{32} | shp(?: at | ca | pa | ss )_[0-9a-fA-F]{32}
    | SK[0-9a-f]{32} | key-[0-9a-f]{32} | NRAK-[0-9A-Z]{27}
    | eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}  # JSON web token
    """,
    re.VERBOSE,
)
# The ones whose long row stands behind a dot or a colon.
_BEHIND_MARK = re.compile(rb"(?:SG\.[A-Za-z0-9_-]{16,32}\.|hv[sb]\.|[0-9]{8,10}:(?=AA))$")
_LEAST_DIFFERENT = 8


class ApiKeyDetector:
    name = "api_key"
    data_class = DataClass.SECRET

    def count(self, reading: Reading) -> int:
        written = reading.ascii
        effort = Effort()
        for row in _ROWS.finditer(written.translate(_ROW)):
            start, end = row.span()
            known = _SHAPES.match(written, start)
            if known is not None:
                key = known[0]
            elif written[start - 1 : start] in (b".", b":") and _BEHIND_MARK.search(
                written, max(0, start - 40), start
            ):
                key = written[start:end]
            else:
                continue
            if not effort.note(_is_filled_in(key)):
                break
        return effort.found


def _is_filled_in(key: bytes) -> bool:
    """Is it a key and not a place for one, or words with dashes? Chance puts digits into keys."""
    return len(set(key)) >= _LEAST_DIFFERENT and any(0x30 <= byte <= 0x39 for byte in key[4:])


def create() -> ApiKeyDetector:
    return ApiKeyDetector()
