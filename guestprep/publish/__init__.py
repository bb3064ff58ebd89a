"""Guest images in Glance: compared with the request by content and property, changed to match.

>>> connection = connect("mycloud")                                      # doctest: +SKIP
>>> record = publish(connection, Path("guest.qcow2"), PublishSpec("ubuntu-22.04-arm64"))
...                                                                      # doctest: +SKIP

openstacksdk brings the configuration, authentication and service discovery; the
calls themselves are Glance's own (https://docs.openstack.org/api-ref/image/v2/),
because the SDK's ``create_image`` takes a half-uploaded image for a finished one,
ignores changed properties and makes duplicates.
"""

from guestprep.publish.audit import AuditReport, audit
from guestprep.publish.cloud import connect
from guestprep.publish.guest_system import architecture_inside, bootable_system, firmware
from guestprep.publish.model import Method, PublishPlan, PublishRecord, PublishSpec, Replaced
from guestprep.publish.pipeline import plan, publish

__all__ = [
    "AuditReport",
    "Method",
    "PublishPlan",
    "PublishRecord",
    "PublishSpec",
    "Replaced",
    "architecture_inside",
    "audit",
    "bootable_system",
    "connect",
    "firmware",
    "plan",
    "publish",
]
