/** Names of columns, alike in .csv, .tsv, .jsonl and .parquet, likelier ones first; capitals do not matter. */

/** Columns of paths. In lists they say which file an image is; in tables that hold the images, how it is named. */
export const PATH_COLUMNS = ['path', 'file', 'key', 'image', 'file_name', 'filename', 'image_path', 'filepath', 'file_path', 'image_file']
export const LABEL_COLUMNS = ['label', 'class', 'cls']
export const SPLIT_COLUMN = 'split'
