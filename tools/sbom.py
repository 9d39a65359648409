"""The product's software bill of materials: CycloneDX from the run lock.

``python -m tools.sbom`` writes sbom.cdx.json, ``--check`` says whether it is what would be
written. The same lock gives the same bytes, so no serial number and no time are in it.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.locks import ROOT

SBOM = ROOT / "sbom.cdx.json"


def generate() -> str:
    """The document, validated against the CycloneDX schema. Raises ValueError."""
    made = subprocess.run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "requirements"),
            *("--pyproject", str(ROOT / "pyproject.toml")),
            *("--spec-version", "1.6", "--output-reproducible", "--no-validate"),
            str(ROOT / "requirements" / "run.txt"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    document: dict[str, Any] = json.loads(made.stdout)
    # The generator refers to components by line of the lock and quotes the line: both change
    # with every update of anything. A package URL names the same component for good.
    references = {part["bom-ref"]: part["purl"] for part in document["components"]}
    for component in document["components"]:
        component["bom-ref"] = component["purl"]
        del component["description"]
        for reference in component["externalReferences"]:
            reference["url"] = component["purl"]  # the lock's hashes hold for any index
            del reference["comment"]
    for tool in document["metadata"]["tools"]["components"]:
        del tool["externalReferences"]
    for dependency in document["dependencies"]:
        dependency["ref"] = references.get(dependency["ref"], dependency["ref"])
    document["components"].sort(key=lambda component: component["bom-ref"])
    document["dependencies"].sort(key=lambda dependency: dependency["ref"])
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"not a CycloneDX document: {wrong}")
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    if not parser.parse_args().check:
        SBOM.write_text(generate())
    elif not SBOM.exists() or SBOM.read_text() != generate():
        sys.exit(f"{SBOM.name} is not what the run lock gives. Run: make sbom")
