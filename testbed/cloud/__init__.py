"""A small real cloud on loopback: Keystone, Glance, Placement and Nova with its console proxy.

Its compute host runs ARM guests (emulated on x86 machines), so that an image, its properties, the
scheduler, libvirt and the console can be tested together without an ARM server.
"""
