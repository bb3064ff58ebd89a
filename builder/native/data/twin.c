/* Native twins: in a step that runs emulated, start this machine's build of a program instead.
 *
 * A build step sees a folder NATIVE with programs of this machine's own architecture, each under
 * the path that it has in an image.  This library is loaded into every program of the step, by
 * the emulated loader through /etc/ld.so.preload and by the native one through a list of its own.
 * Whenever a program is started, it looks for a twin: NATIVE + the program's real path.
 *
 * A twin is taken only if its file has the same modification time.  dpkg-deb gives files the
 * date of the package's last changelog entry, which is the same on all architectures and another
 * one in every version: so a program that was upgraded a moment ago, or that the image replaced,
 * runs as itself.  Nothing else is changed: argv, environment and files are the image's own.
 *
 * Built twice: for the emulated architecture as it is, and for this machine's with -DMACHINE=...
 * (what uname answers) and the TRIPLET below.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NATIVE "/dev/native"
#define LINE 256 /* the kernel's limit of a #! line (BINPRM_BUF_SIZE) */

extern char **environ;

/* The function that this library stands in front of. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- Python: what the native interpreter may do -------------------------------------------- */

static int is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(word, *words))
            return 1;
    return 0;
}

static int is_compiled(const char *path, const struct stat *s, int type, struct FTW *f)
{
    size_t length = strlen(path);
    (void)s, (void)f;
    return type == FTW_F && length > 3 && !strcmp(path + length - 3, ".so");
}

/* How a program runs. */
enum how { EMULATED, NATIVE_TWIN, WITH_MODULES };

/* Sees to native builds of compiled modules, and starts a build of pip's again with BUILD set to
 * what it can be: "native" or "emulated". */
#define MODULES_SCRIPT NATIVE "/with_native_modules.py"
#define BUILD "KOLLARM_BUILD"

/* How a build of pip's runs: compiled modules in its isolated environment are the image's. */
static enum how build(void)
{
    const char *path = getenv("PYTHONPATH"); /* pip sets it to ENVIRONMENT/site */
    const char *can_be = getenv(BUILD);
    char folder[PATH_MAX];
    char *end;
    if (can_be)
        return strcmp(can_be, "native") ? EMULATED : NATIVE_TWIN;
    if (!path || !strstr(path, "/pip-build-env-") || strchr(path, ':') || strlen(path) >= PATH_MAX)
        return EMULATED;
    end = strrchr(strcpy(folder, path), '/');
    *end = 0;
    return nftw(folder, is_compiled, 16, FTW_PHYS) ? WITH_MODULES : NATIVE_TWIN;
}

/* The native interpreter imports no module that was compiled for the image.  So it gets only
 * work that needs none: byte-compiling, making environments, pip, and pip's builds.
 * unpack_collections.py is of our overlay collections-from-pypi; its PyYAML goes without. */
static enum how python(char *const argv[])
{
    static const char *const modules[] = {"pip", "venv", "ensurepip", "compileall", "py_compile", 0};
    static const char *const scripts[] = {"pip", "pip3", "py3compile", "py3clean", "compileall.py",
                                          "py_compile.py", "__pip-runner__.py",
                                          "unpack_collections.py", 0};
    for (int i = 1; argv[0] && argv[i]; i++) {
        const char *word = argv[i], *name;
        if (!strcmp(word, "-m"))
            return argv[i + 1] && is_one_of(argv[i + 1], modules);
        if (!strcmp(word, "-c")) /* what ensurepip and py3compile run */
            return argv[i + 1] && (strstr(argv[i + 1], "runpy.run_module(\"pip\"") ||
                                   strstr(argv[i + 1], "print(sys.implementation.cache_tag)") ||
                                   strstr(argv[i + 1], "print(importlib.util.MAGIC_NUMBER)"));
        if (!strcmp(word, "-W") || !strcmp(word, "-X"))
            i++;
        if (word[0] == '-')
            continue;
        name = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
        return strcmp(name, "_in_process.py") ? is_one_of(name, scripts) : build();
    }
    return EMULATED;
}

/* ---- The compiler's driver -------------------------------------------------------------------- */

/* The native one is a cross compiler's: it does the same work, but says other things of itself,
 * doesn't know the machine (-march=native), ignores LIBRARY_PATH, and was built without offloading,
 * which OpenMP and the libraries of mathematics tell the compiler of. */
static enum how driver(char *const argv[])
{
    static const char *const alone[] = {"-v", "-version", "-###", "-l", "-lm", "-lgfortran", 0};
    static const char *const starts[] = {"-print", "-dump", "-help", "-fopen", "-foffload", "@", 0};
    if (getenv("LIBRARY_PATH"))
        return EMULATED;
    for (int i = 1; argv[0] && argv[i]; i++) {
        const char *word = argv[i] + !strncmp(argv[i], "--", 2);
        if (is_one_of(word, alone) || strstr(word, "=native"))
            return EMULATED;
        for (const char *const *start = starts; *start; start++)
            if (!strncmp(word, *start, strlen(*start)))
                return EMULATED;
    }
    return NATIVE_TWIN;
}

/* ---- Programs and their twins --------------------------------------------------------------- */

/* How a program runs, with its twin in *twin* (of PATH_MAX bytes). */
static enum how find_twin(const char *program, char *const argv[], char *twin)
{
    char real[PATH_MAX];
    struct stat own, other;
    const char *name;
    if (!realpath(program, real) || strlen(real) + sizeof NATIVE > PATH_MAX)
        return EMULATED;
    sprintf(twin, NATIVE "%s", real);
    if (access(twin, X_OK) || stat(real, &own) || stat(twin, &other) || access(real, X_OK))
        return EMULATED;
    if (!S_ISREG(own.st_mode) || own.st_mtime != other.st_mtime || own.st_mode & (S_ISUID | S_ISGID))
        return EMULATED;
    name = strrchr(real, '/') + 1;
    if (!strncmp(name, "python3", 7))
        return python(argv);
    return strstr(name, "-linux-gnu-g") ? driver(argv) : NATIVE_TWIN;
}

/* The interpreter and its argument in a script's first line, which is cut up; false if none. */
static int read_interpreter(const char *script, char *line, char **interpreter, char **argument)
{
    int fd = open(script, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, line, LINE - 1);
    char *end;
    if (fd >= 0)
        close(fd);
    if (got < 3 || strncmp(line, "#!", 2))
        return 0;
    line[got] = 0;
    if (!(end = strchr(line, '\n')))
        return 0;
    while (end > line && strchr(" \t\n", *end))
        *end-- = 0;
    *interpreter = line + 2 + strspn(line + 2, " \t");
    *argument = *interpreter + strcspn(*interpreter, " \t");
    if (**argument) {
        *(*argument)++ = 0;
        *argument += strspn(*argument, " \t");
    } else
        *argument = 0;
    return **interpreter != 0;
}

struct start {
    const char *program;
    char *const *argv;
    char **words; /* argv when it had to be made, otherwise null */
    char twin[PATH_MAX];
    char line[LINE];
};

/* argv with *first* words in front of its own from *from* on. */
static char **with_words(char *const first[], char *const argv[], int from)
{
    int count = 0, n = 0;
    char **words;
    while (argv[count])
        count++;
    words = malloc((count + 4) * sizeof *words);
    while (words && *first)
        words[n++] = *first++;
    for (int i = from; words && i <= count; i++)
        words[n++] = i < count ? argv[i] : 0;
    return words;
}

/* Decide what is started for a program: itself, its twin, or the twin of its interpreter. */
static void decide(struct start *start, const char *program, char *const argv[])
{
    char *interpreter, *argument;
    int saved = errno;
    enum how how;
    *start = (struct start){.program = program, .argv = argv};
    if ((how = find_twin(program, argv, start->twin))) {
        start->program = start->twin;
        if (how == WITH_MODULES &&
            (start->words = with_words((char *[]){argv[0], MODULES_SCRIPT, 0}, argv, 1)))
            start->argv = start->words;
    } else if (!access(program, X_OK) &&
               read_interpreter(program, start->line, &interpreter, &argument)) {
        /* as the kernel does: execve(2), Interpreter scripts */
        char *const plain[] = {interpreter, (char *)program, 0};
        char *const with_argument[] = {interpreter, argument, (char *)program, 0};
        start->words = with_words(argument ? with_argument : plain, argv, argv[0] ? 1 : 0);
        if (start->words && find_twin(interpreter, start->words, start->twin) == NATIVE_TWIN) {
            start->program = start->twin;
            start->argv = start->words;
        }
    }
    errno = saved;
}

/* The first program of a name in PATH, in *found*; false if there is none. */
static int search(const char *name, char *found)
{
    const char *path = getenv("PATH") ? getenv("PATH") : "/bin:/usr/bin";
    struct stat s;
    if (strchr(name, '/'))
        return snprintf(found, PATH_MAX, "%s", name) < PATH_MAX;
    for (const char *end; *name; path = end + 1) {
        end = strchrnul(path, ':');
        if (snprintf(found, PATH_MAX, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "",
                     name) < PATH_MAX &&
            !access(found, X_OK) && !stat(found, &s) && S_ISREG(s.st_mode))
            return 1;
        if (!*end)
            break;
    }
    return 0;
}

/* ---- exec and posix_spawn: glibc calls its own inside, so each one has to be here ------------- *
 * system() and popen() aren't: they start an emulated shell, which starts native programs again.
 */

int execve(const char *program, char *const argv[], char *const envp[])
{
    struct start start;
    int saved;
    decide(&start, program, argv);
    NEXT(execve)(start.program, start.argv, envp);
    saved = errno;
    free(start.words);
    errno = saved;
    return -1;
}

int execv(const char *program, char *const argv[]) { return execve(program, argv, environ); }

int execvpe(const char *name, char *const argv[], char *const envp[])
{
    char found[PATH_MAX];
    int saved = errno;
    if (search(name, found)) {
        execve(found, argv, envp);
        if (errno != ENOEXEC)
            return -1;
    }
    errno = saved;
    return NEXT(execvpe)(name, argv, envp); /* a script without #!, or the right error */
}

int execvp(const char *name, char *const argv[]) { return execvpe(name, argv, environ); }

int posix_spawn(pid_t *pid, const char *program, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    struct start start;
    int result;
    decide(&start, program, argv);
    result = NEXT(posix_spawn)(pid, start.program, actions, attributes, start.argv, envp);
    free(start.words);
    return result;
}

int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    char found[PATH_MAX];
    int result = ENOEXEC;
    if (search(name, found))
        result = posix_spawn(pid, found, actions, attributes, argv, envp);
    if (result == ENOEXEC)
        result = NEXT(posix_spawnp)(pid, name, actions, attributes, argv, envp);
    return result;
}

/* execl, execlp, execle: their list as an array on the stack. */
#define COLLECT(first)                                                                            \
    va_list list;                                                                                 \
    int count = 1;                                                                                \
    va_start(list, first);                                                                        \
    while (va_arg(list, char *))                                                                  \
        count++;                                                                                  \
    va_end(list);                                                                                 \
    char *argv[count + 1];                                                                        \
    argv[0] = (char *)first;                                                                      \
    va_start(list, first);                                                                        \
    for (int i = 1; i <= count; i++)                                                              \
        argv[i] = va_arg(list, char *);

int execl(const char *program, const char *first, ...)
{
    COLLECT(first)
    va_end(list);
    return execve(program, argv, environ);
}

int execlp(const char *name, const char *first, ...)
{
    COLLECT(first)
    va_end(list);
    return execvpe(name, argv, environ);
}

int execle(const char *program, const char *first, ...)
{
    COLLECT(first)
    char **envp = va_arg(list, char **);
    va_end(list);
    return execve(program, argv, envp);
}

/* What a build can be is asked again for those that it starts. */
__attribute__((constructor)) static void forget_build(void) { unsetenv(BUILD); }

#ifdef MACHINE
/* ---- What a native program sees of the machine and of its own folders ------------------------- */

/* Perl and Python look for their compiled modules in folders that an image doesn't have, or that
 * hold the image's: they are taken from NATIVE. */
static enum { OTHER, PERL, PYTHON } kind;

__attribute__((constructor)) static void start_up(void)
{
    char own[PATH_MAX];
    ssize_t length = NEXT(readlink)("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    if (strstr(own, "/bin/perl"))
        kind = PERL;
    else if (strstr(own, "/bin/python3")) {
        kind = PYTHON;
        /* CPython's own variables for cross builds: it answers as the image's would. */
        setenv("_PYTHON_HOST_PLATFORM", "linux-" MACHINE, 1);
        setenv("_PYTHON_SYSCONFIGDATA_NAME", "_sysconfigdata__" MACHINE "-linux-gnu", 1);
    }
}

int uname(struct utsname *names)
{
    int result = NEXT(uname)(names);
    if (!result)
        strcpy(names->machine, MACHINE);
    return result;
}

/* A program's own path is the image's (perl's $^X). */
ssize_t readlink(const char *path, char *buffer, size_t size)
{
    ssize_t length = NEXT(readlink)(path, buffer, size);
    const ssize_t prefix = sizeof NATIVE - 1;
    if (length > prefix && !strcmp(path, "/proc/self/exe") && !strncmp(buffer, NATIVE, prefix))
        memmove(buffer, buffer + prefix, length -= prefix);
    return length;
}

static const char *where(const char *path, char *buffer)
{
    const char *part;
    if (kind == OTHER || !path || strncmp(path, "/usr/lib/", 9) || strlen(path) > PATH_MAX - 32)
        return path;
    if (kind == PERL && !strncmp(path + 9, TRIPLET "/", sizeof TRIPLET))
        return sprintf(buffer, NATIVE "/lib/%s", path + 9 + sizeof TRIPLET), buffer;
    if (kind == PYTHON && !strncmp(path + 9, "python3", 7) && (part = strchr(path + 9, '/')) &&
        !strncmp(part, "/lib-dynload", 12))
        return sprintf(buffer, NATIVE "%s", path), buffer;
    return path;
}

#define ELSEWHERE char elsewhere[PATH_MAX]
#define WHERE(path) where(path, elsewhere)

#define OPEN(name)                                                                                \
    int name(const char *path, int flags, ...)                                                    \
    {                                                                                             \
        ELSEWHERE;                                                                                \
        va_list list;                                                                             \
        va_start(list, flags);                                                                    \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;                 \
        va_end(list);                                                                             \
        return NEXT(name)(WHERE(path), flags, mode);                                              \
    }
OPEN(open)
OPEN(open64)

int stat(const char *restrict path, struct stat *restrict s) { ELSEWHERE; return NEXT(stat)(WHERE(path), s); }
int stat64(const char *restrict path, struct stat64 *restrict s) { ELSEWHERE; return NEXT(stat64)(WHERE(path), s); }
DIR *opendir(const char *path) { ELSEWHERE; return NEXT(opendir)(WHERE(path)); }

/* Modules and plugins (ld's for link-time optimization) are those of NATIVE where it has them. */
void *dlopen(const char *path, int mode)
{
    char native[PATH_MAX];
    if (path && *path == '/' && strlen(path) < PATH_MAX - sizeof NATIVE) {
        sprintf(native, NATIVE "%s", path);
        if (!access(native, R_OK))
            return NEXT(dlopen)(native, mode);
    }
    ELSEWHERE;
    return NEXT(dlopen)(WHERE(path), mode);
}
#endif
