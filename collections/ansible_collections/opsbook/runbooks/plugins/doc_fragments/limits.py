# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options that bound what a changing module may do, written once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  protected:
    description:
      - Names, or shell-style patterns of names, of resources that are never touched.
      - A plan that would touch one is refused before anything changes.
    type: list
    elements: str
    default: []
  guard:
    description:
      - The guard's receipt. Filled in by the module's action plugin from the running procedure; what a task gives here
        is replaced.
      - Where the inventory sets C(opsbook_require_guard), a changing module refuses to work without a receipt whose
        token is the one in the run lock.
    type: dict
    suboptions:
      run:
        description: Id of the run.
        type: str
      system:
        description: The system that is locked.
        type: str
      token:
        description: The lease's token.
        type: str
      store:
        description: Where the lock is kept and how to reach it.
        type: dict
        suboptions:
          table:
            description: Name of the DynamoDB table.
            type: str
          lease_seconds:
            description: Length of the lease in seconds.
            type: float
          region:
            description: AWS region of the table.
            type: str
          profile:
            description: A named AWS profile.
            type: str
          endpoint_url:
            description: An endpoint of one's own.
            type: str
          access_key:
            description: The access key's id.
            type: str
          secret_key:
            description: The access key's secret.
            type: str
          session_token:
            description: The session token.
            type: str
          assume_role_arn:
            description: A role to assume first.
            type: str
          external_id:
            description: The role's external id.
            type: str
          validate_certs:
            description: Whether certificates are verified.
            type: bool
          aws_ca_bundle:
            description: A file of certificate authorities for AWS.
            type: path
          postgres:
            description: The connection to the PostgreSQL database that keeps the lock, where that does.
            type: dict
            suboptions:
              login_host:
                description: The server.
                type: str
              login_port:
                description: Its port.
                type: int
              login_user:
                description: The role to log in as.
                type: str
              login_password:
                description: Its password.
                type: str
              login_db:
                description: The database.
                type: str
              ssl_mode:
                description: How the connection is encrypted.
                type: str
              ca_cert:
                description: A file of certificate authorities.
                type: path
              connect_timeout:
                description: Seconds that connecting may take.
                type: int
              statement_timeout:
                description: Seconds that a statement may take.
                type: int
              lock_timeout:
                description: Seconds that a statement may wait for a lock.
                type: int
      without_lock:
        description: Why an emergency goes on without the lock; empty where it is held.
        type: str
      journal:
        description: Path of the run's journal.
        type: str
      operation:
        description: Name of this module.
        type: str
      task:
        description: Name of the task.
        type: str
      item:
        description: The loop's item.
        type: str
      launcher:
        description: Process id of ansible-playbook.
        type: int
      launcher_started:
        description: When that process started.
        type: str
      task_timeout:
        description: The task's own time-out in seconds.
        type: float
      required:
        description: Whether the inventory requires the guard.
        type: bool
        default: false
      approved_plan:
        description: The changes that were approved for this task.
        type: dict
"""
