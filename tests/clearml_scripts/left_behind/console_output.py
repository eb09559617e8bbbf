"""What a script prints: lines, a progress bar, an error and messages of logging."""

import logging
import sys

from clearml import Task

print("before the task")
task = Task.init(project_name="console", task_name="output")
logging.basicConfig(level=logging.INFO)
print("one\ntwo")
for percent in (0, 50, 100):
    sys.stderr.write(f"\r{percent}%")
sys.stderr.write("\n")
logging.getLogger("training").info("started")
task.get_logger().report_text("reported", level=logging.WARNING)
print("an error", file=sys.stderr)
print(task.get_reported_console_output(number_of_reports=1)[-1] != "")
