"""Keys, certificates and signatures: the only folder that uses cryptography.

It is imported only when something is signed or checked. Without it, `MissingPackageError` names the
extra `sign`.
"""
