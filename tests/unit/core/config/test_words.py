"""Values that become words of a program's command line are never its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.load import load
from core.errors import ConfigError

#: Each field whose value is a word of git's, ssh's, docker's, pip's or mmdebstrap's command line.
FIELDS = {
    "build.kolla.git": 'build: {{kolla: {{git: "{}", ref: x}}}}',
    "build.kolla.ref": 'build: {{kolla: {{git: "https://h/x", ref: "{}"}}}}',
    "build.sources.cron.git": 'build: {{sources: {{cron: {{git: "{}"}}}}}}',
    "build.sources.cron.reference": (
        'build: {{sources: {{cron: {{git: "https://h/x", reference: "{}"}}}}}}'
    ),
    "build.sources.cron.pypi": 'build: {{sources: {{cron: {{pypi: "{}==1"}}}}}}',
    "build.base.bootstrap.suite": 'build: {{base: {{bootstrap: {{suite: "{}"}}}}}}',
    "build.base.bootstrap.mirror": (
        'build: {{base: {{bootstrap: {{suite: trixie, mirror: "{}"}}}}}}'
    ),
    "build.engines.x86_64.url": 'build: {{engines: {{x86_64: {{url: "ssh://{}@h"}}}}}}',
    "build.engines.aarch64.url": 'build: {{engines: {{aarch64: {{url: "ssh://{}"}}}}}}',
    "build.engines.aarch64.url: builder": (
        'build: {{engines: {{aarch64: {{url: "buildx://{}"}}}}}}'
    ),
    "deploy.collections.mirror": (
        'deploy: {{hosts: {{h: {{groups: [control]}}}}, vips: {{}}, collections: {{mirror: "{}"}}}}'
    ),
}

OPTIONS = ("-x", "--upload-pack=touch x;:", "-oProxyCommand=touch x;", "--setup-hook=touch x")


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("field", FIELDS)
def test_no_field_takes_an_option(tmp_path: Path, field: str, option: str) -> None:
    path = tmp_path / "kollarm.yml"
    path.write_text(FIELDS[field].format(option))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert any(field.partition(":")[0] in fault.where for fault in caught.value.faults)


def test_no_password_of_a_repository_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / "kollarm.yml"
    path.write_text(FIELDS["build.sources.cron.git"].format("https://me:s3cret@h/x"))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "s3cret" not in f"{caught.value} {caught.value.details}"
