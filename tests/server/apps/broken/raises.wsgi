# SPDX-License-Identifier: Apache-2.0
raise RuntimeError("the import fails")
