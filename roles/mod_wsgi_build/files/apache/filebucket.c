/* SPDX-License-Identifier: Apache-2.0 */
#include "filebucket.h"

#include "apr_portable.h"
#include "apr_strings.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE 65536
#define PIECE_SIZE ((apr_size_t)1 << 30) /* of one bucket; apr_size_t may have 32 bits */
#define ID_SIZE 32

struct wsgi_file_data {
    apr_bucket_refcount refcount; /* must be first */
    int descriptor;
    int told;           /* that the file is too short */
    server_rec *server; /* the request may be over when the file is read */
    char id[ID_SIZE];   /* of the request, for the log */
};

static void file_destroy(void *data)
{
    struct wsgi_file_data *file = data;

    if (!apr_bucket_shared_destroy(file))
        return;
    close(file->descriptor);
    apr_bucket_free(file);
}

static apr_status_t file_read(apr_bucket *bucket, const char **text, apr_size_t *size,
                              apr_read_type_e block);

static apr_status_t file_setaside(apr_bucket *bucket, apr_pool_t *pool)
{
    /* Descriptor and memory belong to the bucket allocator, which outlives every pool. */
    (void)bucket;
    (void)pool;
    return APR_SUCCESS;
}

static const apr_bucket_type_t file_type = {
    .name = "WSGI-FILE",
    .num_func = 5,
    .is_metadata = APR_BUCKET_DATA,
    .destroy = file_destroy,
    .read = file_read,
    .setaside = file_setaside,
    .split = apr_bucket_shared_split,
    .copy = apr_bucket_shared_copy,
};

/* Fills one block; the file must still have as many bytes as it had. */
static apr_status_t fill(int descriptor, char *block, apr_size_t size, apr_off_t offset)
{
    apr_size_t done = 0;

    while (done < size) {
        ssize_t got = pread(descriptor, block + done, size - done, offset + (apr_off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return APR_EOF;
        done += (apr_size_t)got;
    }
    return APR_SUCCESS;
}

/* Readers may try again. */
static void tell(struct wsgi_file_data *file, apr_status_t rv)
{
    if (file->told)
        return;
    file->told = 1;
    ap_log_error(APLOG_MARK, APLOG_ERR, rv == APR_EOF ? 0 : rv, file->server,
                 "WSGI%04d: a file %s while it was sent, the response was cut, request %s",
                 WSGI_CODE_SHORT_BODY,
                 rv == APR_EOF ? "became shorter" : "could not be read any more", file->id);
}

/* The first block becomes a bucket in memory, the rest stays a file bucket behind it. */
static apr_status_t file_read(apr_bucket *bucket, const char **text, apr_size_t *size,
                              apr_read_type_e block)
{
    struct wsgi_file_data *file = bucket->data;
    apr_size_t length = bucket->length < BLOCK_SIZE ? bucket->length : BLOCK_SIZE;
    char *memory = apr_bucket_alloc(length, bucket->list);
    apr_status_t rv;

    (void)block;
    *text = NULL;
    *size = 0;
    rv = fill(file->descriptor, memory, length, bucket->start);
    if (rv != APR_SUCCESS)
        tell(file, rv);
    if (rv == APR_SUCCESS && bucket->length > length)
        rv = apr_bucket_split(bucket, length);
    if (rv != APR_SUCCESS) {
        apr_bucket_free(memory);
        return rv;
    }
    file_destroy(file);
    apr_bucket_heap_make(bucket, memory, length, apr_bucket_free);
    *text = memory;
    *size = length;
    return APR_SUCCESS;
}

static apr_bucket *create(request_rec *r, int descriptor, apr_uint64_t offset, apr_size_t length)
{
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    apr_bucket *bucket = apr_bucket_alloc(sizeof(*bucket), list);
    struct wsgi_file_data *file = apr_bucket_alloc(sizeof(*file), list);

    APR_BUCKET_INIT(bucket);
    bucket->free = apr_bucket_free;
    bucket->list = list;
    file->descriptor = descriptor;
    file->told = 0;
    file->server = r->server;
    apr_cpystrn(file->id, wsgi_log_request_id(r), sizeof(file->id));
    bucket = apr_bucket_shared_make(bucket, file, (apr_off_t)offset, length);
    bucket->type = &file_type;
    return bucket;
}

void wsgi_file_append(apr_bucket_brigade *brigade, request_rec *r, int descriptor,
                      apr_uint64_t offset, apr_uint64_t length, apr_bucket **witness)
{
    apr_bucket *bucket =
        create(r, descriptor, offset, length < PIECE_SIZE ? (apr_size_t)length : PIECE_SIZE);

    apr_bucket_copy(bucket, witness);
    APR_BRIGADE_INSERT_TAIL(brigade, bucket);
    while (length > PIECE_SIZE) {
        length -= PIECE_SIZE;
        apr_bucket_copy(bucket, &bucket);
        bucket->start += (apr_off_t)PIECE_SIZE;
        bucket->length = length < PIECE_SIZE ? (apr_size_t)length : PIECE_SIZE;
        APR_BRIGADE_INSERT_TAIL(brigade, bucket);
    }
}

int wsgi_file_has_failed(apr_bucket *witness)
{
    const struct wsgi_file_data *file = witness->data;
    int failed = file->told;

    apr_bucket_destroy(witness);
    return failed;
}

/* ---- sendfile -------------------------------------------------------------------------------- */

static int is_same_file(int one, apr_file_t *other)
{
    apr_os_file_t descriptor;
    struct stat a;
    struct stat b;

    return apr_os_file_get(&descriptor, other) == APR_SUCCESS && fstat(one, &a) == 0 &&
           fstat(descriptor, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int wsgi_file_append_sendfile(apr_bucket_brigade *brigade, apr_pool_t *pool, int descriptor,
                              apr_uint64_t offset, apr_uint64_t length)
{
    char path[sizeof("/proc/self/fd/") + 12];
    apr_file_t *again;
    apr_bucket *bucket;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    if (apr_file_open(&again, path, APR_FOPEN_READ | APR_FOPEN_SENDFILE_ENABLED,
                      APR_FPROT_OS_DEFAULT, pool) != APR_SUCCESS)
        return -1;
    if (!is_same_file(descriptor, again)) {
        apr_file_close(again);
        return -1;
    }
    bucket = apr_brigade_insert_file(brigade, again, (apr_off_t)offset, (apr_off_t)length, pool);
    /* A file may be cut while it is sent; the pieces of one share their data. */
    apr_bucket_file_enable_mmap(bucket, 0);
    close(descriptor);
    return 0;
}
