"""Names of the properties that sign an image, without what signing takes."""

#: The signature, in base64.
SIGNATURE = "img_signature"
#: The id of the certificate that verifies it, in the cloud's key manager.
CERTIFICATE = "img_signature_certificate_uuid"
