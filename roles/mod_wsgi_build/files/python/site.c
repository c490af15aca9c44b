/* SPDX-License-Identifier: Apache-2.0 */
/* The part of an interpreter's set-up that is said best in Python. */
#include "site.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layers.h"
#include "stream.h"

/*
 * It gets: is_main, home, user_name, user_home, eggs, hash_seed (str or None; "": there was none),
 * environment (dict of bytes, or None in the main interpreter), pid, log (function of level and
 * text).
 *
 * A sub-interpreter starts from the environment the process had when Python was up, not from what
 * applications in other interpreters have made of it since: os.environ.setdefault() in two sites
 * of one process then keeps them apart. The dictionary behind os.environ is replaced (Python 3.8
 * has one for all interpreters) without putenv(), which would take values from the others.
 *
 * A process that was forked in a sub-interpreter aborts at once ("not main interpreter", Python 3.9
 * and newer), so that is refused in words, as Python 3.8 does.
 *
 * From 3.12 on a sub-interpreter gets the '' that "python -c" puts on sys.path; the launch code
 * took it from the main one only.
 */
static const char site_code[] =
    "import atexit, os, signal, sys\n"
    "\n"
    "def correct_environment():\n"
    "    data = dict(os.environ._data) if environment is None else environment\n"
    "    os.environ._data = os.environb._data = data\n"
    "    if environment is not None:\n"
    "        return\n"
    "    if user_name is not None:\n"
    "        for name in ('USER', 'USERNAME', 'LOGNAME'):\n"
    "            if name in os.environ:\n"
    "                os.environ[name] = user_name\n"
    "    if user_home is not None:\n"
    "        os.environ['HOME'] = user_home\n"
    "    if eggs is not None:\n"
    "        os.environ['PYTHON_EGG_CACHE'] = eggs\n"
    "    if hash_seed:\n"
    "        os.environ['PYTHONHASHSEED'] = hash_seed\n"
    "    elif hash_seed is not None:\n"
    "        os.environ.pop('PYTHONHASHSEED', None)\n"
    "\n"
    "def find_problem(path):\n"
    "    try:\n"
    "        if not os.path.isfile(path):\n"
    "            os.listdir(path)\n"
    "    except OSError as problem:\n"
    "        return '%s (%s)' % (path, problem.strerror)\n"
    "\n"
    "def check_paths(words, paths):\n"
    "    problems = list(filter(None, map(find_problem, paths)))\n"
    "    if problems:\n"
    "        more = ' and %d more' % (len(problems) - 3) if len(problems) > 3 else ''\n"
    "        log(4, 'WSGI1020: %s names %s%s, where nothing can be imported from; correct the path "
    "'\n"
    "            'or its permissions' % (words, ', '.join(problems[:3]), more))\n"
    "\n"
    "def find_adder(words):\n"
    "    try:\n"
    "        import site\n"
    "    except Exception as problem:\n"
    "        log(3, 'WSGI0095: .pth files are not processed for %s: module site cannot be '\n"
    "            'imported: %s' % (words, problem))\n"
    "        return sys.path.append\n"
    "    try:\n"
    "        return site.addsitedir\n"
    "    except AttributeError:\n"
    "        log(3, 'WSGI0094: .pth files are not processed for %s: module site (%s) has no '\n"
    "            'addsitedir' % (words, getattr(site, '__file__', 'without a file')))\n"
    "        return sys.path.append\n"
    "\n"
    "def add_path(words, path, adder):\n"
    "    try:\n"
    "        adder(path)\n"
    "    except (Exception, SystemExit) as problem:\n"
    "        log(3, 'WSGI0091: the .pth files in %s, which %s names, cannot be processed: %s: %s'\n"
    "            % (path, words, type(problem).__name__, problem))\n"
    "        if path not in sys.path:\n"
    "            sys.path.append(path)\n"
    "\n"
    "class Paths:\n"
    "    def __init__(self):\n"
    "        if not is_main and sys.path[:1] == ['']:\n"
    "            del sys.path[0]\n"
    "        self.standard = list(sys.path)\n"
    "    def put(self, layers):\n"
    "        sys.path[:] = self.standard\n"
    "        for words, paths in layers:\n"
    "            before = list(sys.path)\n"
    "            check_paths(words, paths)\n"
    "            adder = find_adder(words)\n"
    "            for path in paths:\n"
    "                add_path(words, path, adder)\n"
    "            sys.path[:] = [path for path in sys.path if path not in before] + before\n"
    "        if home is not None:\n"
    "            sys.path.insert(0, home)\n"
    "\n"
    "class Restricted:\n"
    "    __slots__ = ('_name', '_directive')\n"
    "    def __init__(self, name, directive):\n"
    "        object.__setattr__(self, '_name', name)\n"
    "        object.__setattr__(self, '_directive', directive)\n"
    "    def __getattribute__(self, attribute):\n"
    "        look = object.__getattribute__\n"
    "        raise OSError('%s access restricted by mod_wsgi (%s On)'\n"
    "                      % (look(self, '_name'), look(self, '_directive')))\n"
    "    def __setattr__(self, attribute, value):\n"
    "        raise AttributeError('%r object has no attribute %r' % (type(self).__name__, "
    "attribute))\n"
    "    __delattr__ = lambda self, attribute: setattr(self, attribute, None)\n"
    "Restricted.__module__ = 'mod_wsgi'\n"
    "Restricted.__qualname__ = 'Restricted'\n"
    "\n"
    "class Streams:\n"
    "    def __init__(self):\n"
    "        self.stdin, self.stdout = sys.stdin, sys.stdout\n"
    "        atexit.register(self.put, False, False)\n"
    "    def put(self, stdin, stdout):\n"
    "        sys.stdin = Restricted('sys.stdin', 'WSGIRestrictStdin') if stdin else self.stdin\n"
    "        sys.stdout = Restricted('sys.stdout', 'WSGIRestrictStdout') if stdout else "
    "self.stdout\n"
    "\n"
    "class Signals:\n"
    "    def __init__(self):\n"
    "        self.original = original = signal.signal\n"
    "        getpid = os.getpid\n"
    "        def intercepted(signalnum, handler):\n"
    "            if getpid() != pid:\n"
    "                return original(signalnum, handler)\n"
    "            import traceback\n"
    "            log(6, 'Callback registration for signal %d ignored.\\n%s'\n"
    "                % (signalnum, ''.join(traceback.format_stack()[:-1])))\n"
    "            return handler\n"
    "        intercepted.__name__ = intercepted.__qualname__ = 'signal'\n"
    "        intercepted.__doc__ = original.__doc__\n"
    "        intercepted.__wrapped__ = original\n"
    "        self.intercepted = intercepted\n"
    "    def put(self, restricted):\n"
    "        signal.signal = self.intercepted if restricted else self.original\n"
    "\n"
    "def configure(layers, stdin, stdout, signals, interval, paths=Paths(), streams=Streams(),\n"
    "              handlers=Signals()):\n"
    "    paths.put(layers)\n"
    "    streams.put(stdin, stdout)\n"
    "    handlers.put(signals)\n"
    "    if interval:\n"
    "        sys.setswitchinterval(interval)\n"
    "\n"
    "def refuse_forks():\n"
    "    def refuse():\n"
    "        raise RuntimeError('fork not supported for subinterpreters')\n"
    "    os.fork = os.forkpty = refuse\n"
    "\n"
    "sys.argv = ['mod_wsgi']\n"
    "correct_environment()\n"
    "if not is_main:\n"
    "    refuse_forks()\n";

static PyObject *log_from_python(PyObject *self, PyObject *arguments)
{
    const char *text;
    Py_ssize_t size;
    int level;

    (void)self;
    if (!PyArg_ParseTuple(arguments, "is#", &level, &text, &size))
        return NULL;
    if (level <= wsgi_process.settings.log_level || level <= WSGI_LOG_WARNING)
        wsgi_log_lines(level, text, (size_t)size);
    Py_RETURN_NONE;
}

static PyMethodDef log_method = {"log", log_from_python, METH_VARARGS, NULL};

/* ---- the environment ----------------------------------------------------- */

extern char **environ;

/* What sub-interpreters start from. 0, or -1 when memory is out. */
static int keep_environment(void)
{
    size_t count = 0, i;
    char **copy;

    while (environ != NULL && environ[count] != NULL)
        count++;
    copy = calloc(count + 1, sizeof *copy);
    if (copy == NULL)
        return -1;
    for (i = 0; i < count; i++) {
        copy[i] = strdup(environ[i]);
        if (copy[i] == NULL)
            break;
    }
    wsgi_process.environment = copy;
    return i == count ? 0 : -1;
}

static int put_variable(PyObject *dict, const char *entry)
{
    const char *equals = strchr(entry, '=');
    PyObject *name, *value;
    int result = -1;

    if (equals == NULL)
        return 0;
    name = PyBytes_FromStringAndSize(entry, equals - entry);
    value = PyBytes_FromString(equals + 1);
    if (name != NULL && value != NULL)
        result = PyDict_SetItem(dict, name, value);
    Py_XDECREF(name);
    Py_XDECREF(value);
    return result;
}

static PyObject *kept_environment(const struct wsgi_interp *interp)
{
    PyObject *dict;
    char **entry;

    if (interp->is_main || wsgi_process.environment == NULL)
        return wsgi_compat_new_ref(Py_None);
    dict = PyDict_New();
    for (entry = wsgi_process.environment; dict != NULL && *entry != NULL; entry++)
        if (put_variable(dict, *entry) != 0)
            Py_CLEAR(dict);
    return dict;
}

/* ---- set-up -------------------------------------------------------------- */

/* Takes over `value`. */
static int put(PyObject *names, const char *name, PyObject *value)
{
    int result = value != NULL ? PyDict_SetItemString(names, name, value) : -1;

    Py_XDECREF(value);
    return result;
}

static PyObject *text_or_none(const char *text)
{
    if (text == NULL)
        return wsgi_compat_new_ref(Py_None);
    return PyUnicode_DecodeFSDefault(text);
}

/* What os.environ is to have for PYTHONHASHSEED: NULL is "as it is", "" is "nothing". */
static const char *outer_hash_seed(void)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;

    if (!(settings->flags & WSGI_PROCESS_HASH_SEED))
        return NULL;
    return settings->outer_hash_seed != NULL ? settings->outer_hash_seed : "";
}

static int put_names(const struct wsgi_interp *interp, PyObject *names)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;

    if (put(names, "__builtins__", wsgi_compat_new_ref(PyEval_GetBuiltins())) != 0 ||
        put(names, "__name__", PyUnicode_FromString("mod_wsgi")) != 0 ||
        put(names, "is_main", PyBool_FromLong(interp->is_main)) != 0 ||
        put(names, "home", text_or_none(settings->home)) != 0 ||
        put(names, "user_name", text_or_none(settings->user_name)) != 0 ||
        put(names, "user_home", text_or_none(settings->user_home)) != 0 ||
        put(names, "eggs", text_or_none(settings->python_eggs)) != 0 ||
        put(names, "hash_seed", text_or_none(outer_hash_seed())) != 0 ||
        put(names, "environment", kept_environment(interp)) != 0 ||
        put(names, "pid", PyLong_FromLong((long)wsgi_process.pid)) != 0)
        return -1;
    return put(names, "log", PyCFunction_New(&log_method, NULL));
}

/* The function of site_code that layers go to, a new reference. */
static PyObject *run_site_code(const struct wsgi_interp *interp)
{
    PyObject *names = PyDict_New();
    PyObject *result = NULL, *function = NULL;

    if (names != NULL && put_names(interp, names) == 0)
        result = PyRun_String(site_code, Py_file_input, names, names);
    if (result != NULL) {
        function = PyDict_GetItemString(names, "configure");
        Py_XINCREF(function);
    }
    Py_XDECREF(names);
    Py_XDECREF(result);
    return function;
}

static int configure(struct wsgi_interp *interp, const char *reported)
{
    PyObject *paths = wsgi_layers_paths(reported), *result = NULL;
    struct wsgi_layers layers;

    wsgi_layers_resolve(reported, interp->is_main, 1, &layers);
    if (paths != NULL)
        result = PyObject_CallFunction(
            interp->objects.configure, "Oiiid", paths, layers.restrict_stdin,
            layers.restrict_stdout, layers.restrict_signal, (double)layers.switch_interval / 1e6);
    Py_XDECREF(paths);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

int wsgi_site_set_up(struct wsgi_interp *interp, const char *reported)
{
    interp->objects.configure = run_site_code(interp);
    if (interp->objects.configure == NULL || configure(interp, reported) != 0)
        return -1;
    if (!interp->is_main)
        return 0;
    wsgi_layers_warn();
    if (keep_environment() == 0)
        return 0;
    PyErr_NoMemory();
    return -1;
}

int wsgi_site_rename(struct wsgi_interp *interp, const char *reported)
{
    return configure(interp, reported);
}
