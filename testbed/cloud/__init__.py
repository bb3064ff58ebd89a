"""A small real cloud on loopback: Keystone, Glance, Placement and Nova with its console proxy.

Its one libvirt host runs ARM guests, emulated where the machine is none, so that
an image, its properties, the scheduler, libvirt and the console can be seen to be
right together before any ARM server is bought.
"""
