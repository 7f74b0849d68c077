/** Number of different colours of groups; more groups use them again. */
export const groupColours = 10
