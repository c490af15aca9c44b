/* SPDX-License-Identifier: Apache-2.0 */
#include "dump.h"
void wsgi_dump_test_config(apr_pool_t *pconf, server_rec *main_server)
{
(void)pconf;(void)main_server;
}
