// Whoever signs in next in this tab must not find the last one's conversation.
sessionStorage.clear();
import "./page.js";
