/* SPDX-License-Identifier: Apache-2.0 */
/* threads=0: a process that takes no request and runs the import scripts of its group. */
#ifndef WSGI_PYTHON_SERVICE_H
#define WSGI_PYTHON_SERVICE_H

struct wsgi_daemon;

/* Detached. Returns when the scripts have, or were told to: the process's exit status. */
int wsgi_service_run(struct wsgi_daemon *daemon);

#endif
