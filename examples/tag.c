/* tag.c - the tags of each picture named on the command line, with the model in the box.
 *     cc tag.c $(pkg-config --cflags --libs anytag) -o tag && ./tag photo.jpg */
#include <anytag.h>
#include <stdio.h>

static int complain(const at_error *err)
{
    fprintf(stderr, "%s (%s)\n", err->text, at_status_code(err->status));
    return 1;
}

int main(int argc, char **argv)
{
    at_error err = {0};
    at_model *model = NULL;
    at_session *session = NULL;
    if (argc < 2) {
        fprintf(stderr, "Usage: tag PICTURE...\n");
        return 2;
    }
    if (at_model_open(NULL, NULL, &model, &err) != AT_OK) return complain(&err);
    if (at_session_open(model, NULL, &session, &err) != AT_OK) return complain(&err);
    int code = 0;
    for (int i = 1; i < argc; i++) {
        at_image *image = NULL;
        at_tags *tags = NULL;
        if (at_image_read(argv[i], NULL, &image, &err) != AT_OK ||
            at_session_tag(session, image, NULL, &tags, &err) != AT_OK) {
            code = complain(&err);
        } else {
            printf("%s\n", argv[i]);
            for (size_t k = 0; k < at_tags_count(tags); k++)
                printf("  %.3f %s %s\n", at_tags_score(tags, k), at_tags_name(tags, k, "en"),
                       at_tags_name(tags, k, "zh"));
        }
        at_tags_free(tags);
        at_image_free(image);
    }
    at_session_close(session);
    at_model_close(model);
    return code;
}
