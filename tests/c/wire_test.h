/* SPDX-License-Identifier: Apache-2.0 */
/* What every test program of wire/ includes. */
#ifndef WIRE_TEST_H
#define WIRE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Copies `size` bytes into a heap block of just that size, so that the sanitizer sees one byte
 * read too many. The caller frees it. */
static inline unsigned char *exactly(const void *bytes, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

#endif
