/** Names of columns, alike in .csv, .tsv, .jsonl and .parquet, likelier ones first; capitals do not matter. */

/** Columns of paths. In lists they say which file an image is; in tables that hold the images, how it is named. */
export const pathColumns = ['path', 'file', 'key', 'image', 'file_name', 'filename', 'image_path', 'filepath', 'file_path', 'image_file']
export const labelColumns = ['label', 'class', 'cls']
export const splitColumn = 'split'
