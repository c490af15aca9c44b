/* SPDX-License-Identifier: Apache-2.0 */
/* How the process that was in a slot ended: from the supervisor to the Apache children that had a
 * request in it. */
#ifndef WSGI_APACHE_OBITUARY_H
#define WSGI_APACHE_OBITUARY_H

#include "slots.h"

/* Supervisor, before the slot is marked dead. */
void wsgi_obituary_write(struct wsgi_slots *slots, int index, pid_t pid, const char *words);
/* Process `epoch` of a slot: its pid, and words in `text`, at most `size` bytes. Waits for its end,
 * but not longer than so many milliseconds: then 0. */
int wsgi_obituary_await(struct wsgi_slots *slots, int index, uint32_t epoch, int milliseconds,
                        char *text, size_t size);

#endif
