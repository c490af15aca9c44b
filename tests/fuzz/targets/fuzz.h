/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target includes: checks that end it, and a reader of the fuzzer's bytes. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that does not hold ends the run as a crash, and the fuzzer keeps the input. */
#define CHECK(promise)                                                                             \
    do {                                                                                           \
        if (!(promise)) {                                                                          \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #promise);           \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Bytes of the input, taken from its front; zeros when it is used up. */
struct feed {
    const uint8_t *at;
    size_t left;
};

static inline void take_bytes(struct feed *feed, void *target, size_t size)
{
    size_t there = size < feed->left ? size : feed->left;

    memset(target, 0, size);
    if (there > 0)
        memcpy(target, feed->at, there);
    feed->at += there;
    feed->left -= there;
}

static inline uint8_t take_byte(struct feed *feed)
{
    uint8_t byte;

    take_bytes(feed, &byte, sizeof byte);
    return byte;
}

static inline uint32_t take_word(struct feed *feed)
{
    uint32_t word;

    take_bytes(feed, &word, sizeof word);
    return word;
}

/* A heap block of just `size` bytes, so that the sanitizer sees one byte read too many. The caller
 * frees it. */
static inline void *take_block(struct feed *feed, size_t size)
{
    unsigned char *block = malloc(size > 0 ? size : 1);

    CHECK(block != NULL);
    take_bytes(feed, block, size);
    return block;
}

/* The same with a NUL behind it; the size is the lesser of `most` and what is there. */
static inline char *take_text(struct feed *feed, size_t most, size_t *size)
{
    char *text;

    *size = most < feed->left ? most : feed->left;
    text = malloc(*size + 1);
    CHECK(text != NULL);
    take_bytes(feed, text, *size);
    text[*size] = '\0';
    return text;
}

#endif
