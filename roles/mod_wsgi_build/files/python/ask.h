/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts that decide about a request before it is served: engine->ask(). */
#ifndef WSGI_PYTHON_ASK_H
#define WSGI_PYTHON_ASK_H

#include "../wire/engine.h"

void wsgi_ask(const struct wsgi_request *request, const struct wsgi_transport *transport,
              void *context, const struct wsgi_question *question, struct wsgi_answer *answer,
              struct wsgi_outcome *outcome);

#endif
