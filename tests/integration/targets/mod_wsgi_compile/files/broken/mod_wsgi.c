/* SPDX-License-Identifier: Apache-2.0 */
int broken(void)
{
    this is not C;
}
