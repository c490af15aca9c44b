/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a daemon finds when it is exec'd, and what it says to its supervisor.
 *
 * argv is { interpreter, "-c", WSGI_LAUNCH_CODE, engine path, padding }; the padding is blanks,
 * room for the process title. The code removes what "-c" put on sys.path, loads the engine by
 * path as module _mod_wsgi and calls _mod_wsgi.serve(), which returns when the process is to
 * end; then the interpreter ends as any Python process does.
 *
 * Descriptors: 0 is /dev/null, 1 and 2 are the log pipe (non-blocking: what does not fit is
 * lost, a request never waits for it), then the numbers below. Nothing else is open.
 */
#ifndef WSGI_WIRE_LAUNCH_H
#define WSGI_WIRE_LAUNCH_H

#include <stdint.h>

#define WSGI_FD_CONTROL 3  /* SOCK_SEQPACKET to the supervisor; end-of-file = it died */
#define WSGI_FD_LISTENER 4 /* non-blocking, SOCK_STREAM, listening */
#define WSGI_FD_BOARD 5    /* memfd of WSGI_BOARD_SIZE bytes */
#define WSGI_FD_LAUNCH 6   /* memfd that holds the launch block (vars.h); read, then closed */
#define WSGI_FD_LAST 6

/*
 * A record on the log pipe: WSGI_LOG_MARK, a letter, text, newline. The letter says the level of
 * syslog and how the text is to be read: WSGI_LOG_LETTER + level, with WSGI_LOG_LETTER_PLACED the
 * text begins as WSGI_LOG_PLACED says, with WSGI_LOG_LETTER_WHOLE its newlines are escaped:
 * WSGI_LOG_ESCAPE and 'n' is one, twice WSGI_LOG_ESCAPE is that byte, and at the end of the line
 * it says that the record goes on in one that begins with WSGI_LOG_MARK, WSGI_LOG_LETTER_MORE. A
 * line without the mark is what the application or a library printed. Each line is one write() of
 * at most PIPE_BUF, so that it is never torn.
 */
#define WSGI_LOG_MARK '\001'
#define WSGI_LOG_ESCAPE '\002'
#define WSGI_LOG_LETTER '0'
#define WSGI_LOG_LETTER_PLACED 8
#define WSGI_LOG_LETTER_WHOLE 16
#define WSGI_LOG_LETTER_MORE '+'

/* Messages on the control socket: one struct each, and a text behind it where that is said. The
 * supervisor is root: what a daemon says is checked, and never more than the affair of its group.
 */
enum wsgi_control_type {
    WSGI_CONTROL_READY = 1,  /* daemon: serving */
    WSGI_CONTROL_RELOAD,     /* daemon: a script changed, a request was rejected for it, or with
                                reload=overlap served by the old code; a note (note.h) */
    WSGI_CONTROL_FAILED,     /* daemon: Python or the engine could not start; it exits */
    WSGI_CONTROL_DRAIN,      /* supervisor: serve what comes on the connections until they are
                                gone, accept new ones too, exit when WSGI_CONTROL_STOP comes or
                                no request is active and no connection is left; `why` */
    WSGI_CONTROL_STOP,       /* supervisor: finish what runs, take nothing new, exit; `why` */
    WSGI_CONTROL_LEAVING,    /* daemon: it is to be replaced, and serves until it is; `why` */
    WSGI_CONTROL_LOADED,     /* daemon: a script was loaded; a note. Later processes load it before
                                they are READY */
    WSGI_CONTROL_MISSING,    /* daemon: a script that it was to load is gone; a note */
    WSGI_CONTROL_UNLOADABLE, /* daemon: a script failed while it was executed; a note. Before READY
                                with the traceback, and it waits for STOP or SERVE; after READY the
                                process is not fit for that script any more, maybe */
    WSGI_CONTROL_SERVE,      /* supervisor: get READY in spite of a script that failed: there is
                                nobody else */
    WSGI_CONTROL_KEEP,       /* supervisor: the state of a script that the note names cannot be
                                loaded; stay with what you have until the file changes again */
    WSGI_CONTROL_SCORES      /* daemon: asks for a snapshot of httpd's scoreboard. Supervisor: has
                                it, as a descriptor (scores.h); without one there is none */
};
struct wsgi_control {
    uint32_t type;
    uint32_t epoch;
    uint32_t why; /* enum wsgi_why (why.h), else 0 */
    uint32_t reserved;
};

/* Exit statuses of a daemon: its end took longer than shutdown-timeout; it has lost the descriptors
 * it serves with. 71 to 74 and 76 are taken, see apache/launch.h. */
#define WSGI_EXIT_LATE 70
#define WSGI_EXIT_LOST 75
/* And of one whose scripts were not loaded within startup-timeout, before it was ready. */
#define WSGI_EXIT_STARTUP 77

#endif
