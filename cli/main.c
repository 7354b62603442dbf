/* main.c - anytag COMMAND [OPTIONS] [INPUT...] */
#include "cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void version(bool more)
{
    char text[2048];
    printf("anytag %s\n", at_version());
    if (!more) return;
    (void)at_build_info(text, sizeof text);
    fputs(text, stdout);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN); // a write fails with EPIPE,
    (void)signal(SIGXFSZ, SIG_IGN); // or with EFBIG, and is told as any other
    const char *name = argc < 2 ? "--help" : argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        cli_overview(stdout);
        return cli_stdout_close(0);
    }
    if (strcmp(name, "--version") == 0) {
        version(argc > 2 && (strcmp(argv[2], "-v") == 0 || strcmp(argv[2], "--verbose") == 0));
        return cli_stdout_close(0);
    }
    const cli_command *c = cli_find_command(name);
    if (!c) {
        const char *near = cli_near_command(name);
        return cli_usage("\"%.40s\" is no command%s%s; see anytag help", name,
                         near ? "; did you mean " : "", near ? near : "");
    }
    cli_options o = {0};
    char **inputs = NULL;
    size_t n = 0;
    int code = cli_parse(argc - 2, argv + 2, name, &o, &inputs, &n);
    if (code == 0) code = cli_say_open(&o);
    if (code == 0 && o.help)
        cli_command_help(stdout, c);
    else if (code == 0)
        code = c->run(&o, inputs, n);
    if (code == at_status_exit_code(AT_E_OUT_OF_MEMORY) && !cli_has_failed())
        code = cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory", name);
    code = cli_stdout_close(code);
    cli_say_close();
    cli_options_free(&o);
    free(inputs);
    return code;
}
