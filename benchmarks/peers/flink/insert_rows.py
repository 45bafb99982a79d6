"""A job of PyFlink, run by the Python of its own environment until its process ends.

The argument is JSON: the configuration, the tables, and the statement that inserts rows.
"""

import json
import sys

from pyflink.table import EnvironmentSettings, TableEnvironment

if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in job["configuration"].items():
        environment.get_config().set(name, value)
    for table in job["tables"]:
        environment.execute_sql(table)
    environment.execute_sql(job["insert"]).wait()
