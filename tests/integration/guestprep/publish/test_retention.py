"""Replaced images go in two steps, in a real Glance with a real Keystone and no Nova."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guestprep.publish import PublishSpec, connect, plan, publish, retention
from guestprep.publish.cloud import Glance
from guestprep.publish.expiry import ExpiryAction
from guestprep.publish.model import PublishAction
from tests.support.publishing import all_of

pytestmark = pytest.mark.integration


def test_replaced_images_are_deactivated_then_deleted(
    connection: Any,
    api: Glance,
    images: dict[str, Path],
    spec: PublishSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited = replace(spec, keep=0, protected=True)
    old = publish(connection, images["first"], limited).image_id
    publish(connection, images["second"], limited)
    assert api.get(old).status == "active"

    (step,) = plan(connection, images["second"], limited).expire
    assert (step.image_id, step.action) == (old, ExpiryAction.DEACTIVATE)
    assert api.get(old).status == "active"
    record = publish(connection, images["second"], limited)
    assert (record.action, record.expired) == (PublishAction.KEEP, (step,))
    assert api.get(old).status == "deactivated"

    assert publish(connection, images["second"], limited).expired == ()
    monkeypatch.setattr(retention, "GRACE", timedelta(0))
    (gone,) = publish(connection, images["second"], limited).expired
    assert (gone.image_id, gone.action) == (old, ExpiryAction.DELETE)
    assert [image.id for image in all_of(api, spec)] == [record.image_id]


def test_without_a_catalogue_nothing_goes(
    glance: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    blind = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    limited = replace(spec, keep=0)
    publish(blind, images["first"], limited)
    publish(blind, images["second"], limited)
    intended = plan(blind, images["second"], limited)
    assert intended.expire == ()
    assert any("can't be seen" in note for note in intended.notes)
