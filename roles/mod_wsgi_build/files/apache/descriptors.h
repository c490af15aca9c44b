/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for the descriptors of many daemon groups. Parent and supervisor hold two for each slot, so
 * that about a hundred groups would use up the 1,024 that a process usually may have open, unless
 * it asks for what it is allowed to have. Only they do that: Apache's children and the daemons have
 * the limit that the administrator gave.
 */
#ifndef WSGI_APACHE_DESCRIPTORS_H
#define WSGI_APACHE_DESCRIPTORS_H

#include <sys/resource.h>

/* As many as the hard limit allows from here on; *before says what it was. */
void wsgi_descriptors_raise(struct rlimit *before);
void wsgi_descriptors_restore(const struct rlimit *before);
/* To a number above the limit that will be restored, so that all below it stay free. The same one
 * when that is not possible. */
int wsgi_descriptors_move(int fd, const struct rlimit *before);

/* Before exec: closes `first` and all above it. -1: errno; they may be open still. */
int wsgi_descriptors_close_from(int first);

#endif
