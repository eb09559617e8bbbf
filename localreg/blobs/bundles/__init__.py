"""Bundles as bytes: an OCI image layout in a tar, in parts of one, in a pipe, or in a folder.

What a bundle says is in `localreg.values.bundle_format`. A bundle is made in two steps: a `Draft`
gathers manifests, configurations and records in a temporary file; `writing` then writes all of it,
with the files of the models. It is read by `reading.open_bundle`.

The decisions that bind this package:

- The order in a tar is ``oci-layout``, ``index.json``, manifests, their configurations and the
  layers of records (the head), then the files of models. Each group is sorted by digest. So one
  pass is enough, also through a pipe. Two entries of one name, an entry that nothing names and a
  missing one are found where they stand, and the reader needs no more memory than 50 bytes for each
  entry that manifests name. A tar in another order is refused; unpacked to a folder it can be read.
- Headers are those of POSIX ustar, with modes, times and owners that are always the same. Only a
  file of 8 GiB and more has an extended header, which pax defines. They are written and read here,
  and not by `tarfile`: its releases write some of them in different ways, and it reads far more
  kinds of entries than a bundle may have.
- Every file is hashed while it is written: damaged bytes never become a bundle that looks whole.
- What is read is hashed too: the head when a bundle is opened, and a file of a model while it is
  staged. It is staged completely, or not at all.
- Parts (``b.tar.001`` …) are slices of the tar: ``cat b.tar.*`` is the bundle.
- The layer of a plain image is a tar of files that have known digests, but its own digest is not
  known. So its bytes are hashed in a pass of their own before they are written in a second one.
- Only plain files are opened; links in a folder are not followed.
- A container registry holds the same manifests. There the record of a bundle has the manifest of a
  model version as its ``subject``, so that it is found by it, and says the format
  (`bundle_format.record_in_registry`). What a registry says of a version is written to a folder as
  a bundle, and read as one: what is checked there is checked here. Blobs come and go one by one.
- Only `container_login` uses oras: for credentials and tokens. Manifests are read and written by
  `transfer.http`, too, since oras has no time limits and reads answers of any size.
"""
