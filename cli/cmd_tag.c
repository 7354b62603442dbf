/* cmd_tag.c - anytag tag: find the pictures, open the model, run, say what came of it. */
#include "heatmap.h"
#include "tag.h"

#include <string.h>

static int list_only(const tag_place *p)
{
    if (tag_is_beside(p->o)) {
        tag_beside_list(p);
        return 0;
    }
    for (size_t i = 0; i < p->files->n; i++)
        puts(p->files->paths[i]);
    return 0;
}

int tag_run_all(const char *command, const char *done, const cli_options *o, at_model *model,
                cli_files *files, tag_setup *setup, const at_caption_options *caption)
{
    const tag_place place = {
        .command = command, .o = o, .model = model, .files = files, .writer = &setup->writer};
    if (o->dry_run) return list_only(&place);
    tag_sink *sink = NULL;
    cli_progress progress;
    tag_heat *heat = NULL;
    cli_stop_begin(o); // before there is a file that a sudden end would leave behind
    int code = caption ? 0 : tag_heat_open(&heat, o, model, setup);
    if (code == 0)
        code = tag_is_beside(o) ? tag_beside_open(&place, &sink) : tag_document_open(&place, &sink);
    if (code == 0) {
        const tag_job job = {.o = o,
                             .model = model,
                             .files = files,
                             .setup = setup,
                             .sink = sink,
                             .progress = &progress,
                             .caption = caption,
                             .heat = heat};
        bool known;
        const size_t found = cli_files_found(files, &known);
        cli_progress_begin(&progress, o, command, done, known || found > 1 ? found : 2);
        progress.total_known = known;
        code = tag_run(&job);
        const int finding = cli_files_end(files); // what went wrong there, "no images" too
        if (code == 0) code = finding;
        if (code == 0) code = cli_stopped();
        code = sink->finish(sink, code);
        if (code == 0 && progress.failed) code = progress.unwritten ? 5 : 1;
        cli_progress_end(&progress, code != 141); // a closed pipe is left without a word
        if (code > 1 && code != 141 && sink->resumable) cli_print_resume(o, command);
    }
    if (sink) sink->free(sink);
    tag_heat_close(heat);
    return code;
}

static int tag_all(const cli_options *o, at_model *model, cli_files *files, tag_setup *setup)
{
    return tag_run_all("tag", "tagged", o, model, files, setup, NULL);
}

/* Pictures are worked on while others are being found: where no order is asked for, and nothing needs to
 * know all of them before the first. */
static bool streams(const cli_options *o, const char *task)
{
    return o->sort && strcmp(o->sort, "none") == 0 && !o->resume && !o->dry_run &&
           !tag_is_beside(o) && strcmp(task, "match") != 0;
}

int tag_command(const cli_options *o, char **inputs, size_t n, const char *task, tag_work work)
{
    const int meant = tag_is_beside(o) ? tag_beside_check(o) : 0;
    if (meant) return meant;
    cli_files files;
    at_model *model = NULL;
    tag_setup setup = {0};
    tag_tell_idle(o);
    int code = streams(o, task) ? cli_files_stream(&files, o, inputs, n)
                                : cli_files_find(&files, o, inputs, n);
    if (code == 0) code = cli_open_model_for(o, task, &model);
    if (code == 0) code = tag_setup_open(&setup, o, model);
    if (code == 0) code = work(o, model, &files, &setup);
    (void)cli_files_end(&files);
    tag_setup_free(&setup);
    at_model_close(model);
    cli_files_free(&files);
    return code;
}

int cmd_tag(const cli_options *o, char **inputs, size_t n)
{
    return tag_command(o, inputs, n, "tag", tag_all);
}
