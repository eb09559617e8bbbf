"""What other libraries report by themselves while a task runs: one module for each library.

`hook` watches imports. When the script imports a library of the table in `libraries`, or has
imported it already, the library's module here patches it: ``patch(patches, module)``. Decisions:

- Nothing is patched before `Task.init`, except parsers of command lines: a script may parse before
  it starts a task. All is restored when the last task of the process ends.
- A patch calls the original with what it was given, and returns what it returned. An error of ours
  is logged once, and never reaches the caller.
- A patch reports to the `Recorder` of the task that is current at the time of the call. Without a
  task it does nothing more.
- Modules here import neither `api` nor `operations`: `Task.init` passes the recorder. They import
  their library only inside functions.
"""
