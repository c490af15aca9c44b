/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response whose head was sent, and that is not whole: the client must see it, no cache may keep
 * it, the log says why in one line.
 */
#ifndef WSGI_APACHE_RESPONSECUT_H
#define WSGI_APACHE_RESPONSECUT_H

#include "response.h"
#include "../wire/outcome.h"

/* Each logs why, cuts, and returns what the content handler returns. */
int wsgi_response_cut_failed(struct wsgi_response *response, const struct wsgi_outcome *outcome);
int wsgi_response_cut_spoilt(struct wsgi_response *response);
int wsgi_response_cut_gone(struct wsgi_response *response);
int wsgi_response_cut_short(struct wsgi_response *response);

/* Parts of it, where a response ends in another way. */
void wsgi_response_note_end(const struct wsgi_response *response, const char *how);
void wsgi_response_keep_out_of_caches(request_rec *r);
void wsgi_response_reset_on_close(request_rec *r);
void wsgi_response_log(const struct wsgi_response *response, const struct wsgi_outcome *outcome);
void wsgi_response_log_spoilt(const struct wsgi_response *response);

#endif
