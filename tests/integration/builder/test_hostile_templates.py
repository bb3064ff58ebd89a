"""Overlays that try to get out of their templates, rendered by a real Kolla."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.kolla import releases
from builder.kolla.render import render
from builder.kolla.request import RenderRequest, TemplateChanges
from builder.kolla.toolchain import toolchain
from core.config.model import Architecture, Distro
from core.errors import KollarmError

pytestmark = pytest.mark.integration


ESCAPES = (
    "''.__class__.__mro__[1].__subclasses__()",
    "self.__init__.__globals__['__builtins__']['open']('{}', 'w')",
    "cycler.__init__.__globals__.os.system('touch {}')",
    "lipsum.__globals__['os'].popen('touch {}').read()",
    "namespace.__init__.__globals__.sys.modules['os'].system('touch {}')",
    "joiner.__init__.__globals__.os.environ",
    "(base_distro | attr('__class__')).mro()",
    "'{0.__class__.__init__.__globals__}'.format(base_distro)",
)


@pytest.mark.parametrize("expression", ESCAPES)
def test_no_template_reaches_the_process_that_renders_it(tmp_path: Path, expression: str) -> None:
    proof = tmp_path / "escaped"
    text = expression.replace("{}", str(proof))
    override = (
        f"{{% extends parent_template %}}{{% block base_footer %}}"
        f"RUN {{{{ {text} }}}}{{% endblock %}}\n"
    )
    request = RenderRequest(Architecture.X86_64, Distro.DEBIAN, TemplateChanges(override))
    with pytest.raises(KollarmError, match="unsafe"):
        render(toolchain(releases.find("2026.1")), request)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["/etc/hostname", "../../../../etc/hostname"])
def test_no_template_includes_files_from_elsewhere(name: str) -> None:
    override = (
        f"{{% extends parent_template %}}{{% block base_footer %}}"
        f"{{% include '{name}' %}}{{% endblock %}}\n"
    )
    request = RenderRequest(Architecture.X86_64, Distro.DEBIAN, TemplateChanges(override))
    with pytest.raises(KollarmError, match="render"):
        render(toolchain(releases.find("2026.1")), request)


def test_no_template_reads_another_list_of_repositories(tmp_path: Path) -> None:
    # kolla's own function reads the file that a variable of the template names
    secret = tmp_path / "secret.yaml"
    keys = "{url: a-secret, suite: a-secret, component: x, gpg_key: y}"
    secret.write_text(f"deb: {{grafana: {keys}}}\ndebian: {{}}\n")
    override = (
        "{% extends parent_template %}{% if image_name == 'cron' %}"
        f"{{% set repos_yaml = '{secret}' %}}{{% endif %}}"
        "{% block cron_footer %}RUN {{ handle_repos(['grafana'], 'enable') }}{% endblock %}"
    )
    request = RenderRequest(Architecture.X86_64, Distro.DEBIAN, TemplateChanges(override))
    with pytest.raises(KollarmError, match="unsafe") as caught:
        render(toolchain(releases.find("2026.1")), request)
    assert "a-secret" not in f"{caught.value} {caught.value.details}"
