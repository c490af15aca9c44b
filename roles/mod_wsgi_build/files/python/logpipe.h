/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's end of its log: records on descriptor 2, as wire/launch.h has them. */
#ifndef WSGI_PYTHON_LOGPIPE_H
#define WSGI_PYTHON_LOGPIPE_H

#include "../wire/engine.h"

/* What the engine logs to in a daemon. */
extern const struct wsgi_host wsgi_logpipe_host;

#endif
