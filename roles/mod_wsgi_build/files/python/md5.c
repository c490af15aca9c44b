/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MD5 of RFC 1321, for module names only: 6.1.1 names a script's module by the MD5 of its path,
 * and Python's own md5 may be missing or forbidden (FIPS). Nothing here is about security.
 */
#include "script.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct md5 {
    uint32_t word[4];
};

static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static const unsigned char shifts[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t rotate(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round) {
    case 0:
        return (b & c) | (~b & d);
    case 1:
        return (b & d) | (c & ~d);
    case 2:
        return b ^ c ^ d;
    default:
        return c ^ (b | ~d);
    }
}

/* Which of the 16 words of a block step i uses. */
static unsigned word_of(unsigned i)
{
    static const unsigned char factor[4] = {1, 5, 3, 7}, offset[4] = {0, 1, 5, 0};

    return (factor[i / 16] * i + offset[i / 16]) % 16;
}

static void digest_block(struct md5 *md5, const unsigned char *block)
{
    uint32_t words[16], a = md5->word[0], b = md5->word[1], c = md5->word[2], d = md5->word[3];
    unsigned i;

    for (i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
                   (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
    for (i = 0; i < 64; i++) {
        uint32_t sum = a + mix(i / 16, b, c, d) + sines[i] + words[word_of(i)];

        a = d;
        d = c;
        c = b;
        b += rotate(sum, shifts[i / 16][i % 4]);
    }
    md5->word[0] += a;
    md5->word[1] += b;
    md5->word[2] += c;
    md5->word[3] += d;
}

void wsgi_md5_hex(const void *data, size_t size, char text[33])
{
    struct md5 md5 = {{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
    const unsigned char *at = data;
    unsigned char last[128] = {0};
    size_t left = size, room;
    unsigned i;

    for (; left >= 64; left -= 64, at += 64)
        digest_block(&md5, at);
    memcpy(last, at, left);
    last[left] = 0x80;
    room = left < 56 ? 64 : 128;
    for (i = 0; i < 8; i++)
        last[room - 8 + i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    digest_block(&md5, last);
    if (room == 128)
        digest_block(&md5, last + 64);
    for (i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", md5.word[i / 4] >> 8 * (i % 4) & 0xff);
}
